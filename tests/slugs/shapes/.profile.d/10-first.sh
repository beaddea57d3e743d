# The order of these files is part of what they show; each sees the one before it.
export SHAPES_PROFILE=first
export SHAPES_OVERRIDDEN=by-profile
export SHAPES_KEPT="${SHAPES_KEPT:-default}"
