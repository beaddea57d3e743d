# The interpreter is the stack's; every package that the app imports is the slug's own.
export PYTHONPATH="$HOME/vendor${PYTHONPATH:+:$PYTHONPATH}"
export PATH="$HOME/vendor/bin:$PATH"
export FLASK_APP=guestbook.py
export PYTHONUNBUFFERED=1
