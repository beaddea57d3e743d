# SPDX-License-Identifier: Apache-2.0
"""A guestbook: the sample app that does everything a throw-away root must cope with.

It migrates a database, compiles translations, writes a log file and stores entries, all below its
own directory, and so none of it may be there at the next start.  With DATABASE_URL the entries go
elsewhere and stay.
"""
import logging
import os
import sys
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler
from pathlib import Path

import click
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask, jsonify, redirect, render_template, request, url_for
from flask.logging import default_handler
from flask_babel import Babel, gettext as _
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

HOME = Path(__file__).resolve().parent
LANGUAGES = ["en", "de", "es"]
# What one visitor may store; the database column has the same length.
NAME_MAX, TEXT_MAX = 80, 500

db = SQLAlchemy()
migrate = Migrate()


class Entry(db.Model):
    """One signature in the book."""

    __tablename__ = "entries"
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(NAME_MAX), nullable=False)
    text = db.Column(db.String(TEXT_MAX), nullable=False)
    created = db.Column(db.DateTime, nullable=False, index=True,
                        default=lambda: datetime.now(timezone.utc).replace(tzinfo=None))


def database_url():
    """DATABASE_URL in either form that platforms hand out; SQLite beside the app without it."""
    url = os.environ.get("DATABASE_URL") or f"sqlite:///{HOME / 'app.db'}"
    if url.startswith("postgres://"):  # the scheme that SQLAlchemy 1.4 dropped
        url = "postgresql://" + url[len("postgres://"):]
    return url


def select_language():
    return request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]


def set_up_log(app):
    """Log to stdout where the platform asks for it, else to a file that rotates."""
    if os.environ.get("LOG_TO_STDOUT"):
        handler = logging.StreamHandler(sys.stdout)
    else:
        (HOME / "logs").mkdir(exist_ok=True)
        handler = RotatingFileHandler(HOME / "logs" / "guestbook.log",
                                      maxBytes=100 * 1024, backupCount=3)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    app.logger.removeHandler(default_handler)
    app.logger.addHandler(handler)
    app.logger.setLevel(logging.INFO)


def create_app():
    app = Flask("guestbook", root_path=str(HOME))
    app.config.update(SQLALCHEMY_DATABASE_URI=database_url(),
                      BABEL_TRANSLATION_DIRECTORIES=str(HOME / "translations"))
    db.init_app(app)
    migrate.init_app(app, db, directory=str(HOME / "migrations"))
    Babel(app).localeselector(select_language)
    set_up_log(app)
    return app


app = create_app()


@app.get("/")
def index():
    entries = Entry.query.order_by(Entry.id.desc()).limit(100).all()
    return render_template("index.html", entries=entries, language=select_language(),
                           dyno=os.environ.get("DYNO", "-"))


@app.post("/sign")
def sign():
    name = request.form.get("name", "").strip()
    text = request.form.get("text", "").strip()
    if not name or not text or len(name) > NAME_MAX or len(text) > TEXT_MAX:
        return _("A name and a message, please."), 400
    db.session.add(Entry(name=name, text=text))
    db.session.commit()
    app.logger.info("signed by %r", name)
    return redirect(url_for("index"), 303)


@app.get("/healthz")
def healthz():
    return jsonify(status="ok", entries=Entry.query.count(), dyno=os.environ.get("DYNO"),
                   port=os.environ.get("PORT"))


@app.cli.group()
def translate():
    """Translation catalogues."""


@translate.command("compile")
def translate_compile():
    """Compile every catalogue under translations/."""
    for po in sorted((HOME / "translations").glob("*/LC_MESSAGES/*.po")):
        with open(po, "rb") as source:
            catalog = read_po(source, locale=po.parts[-3])
        with open(po.with_suffix(".mo"), "wb") as target:
            write_mo(target, catalog)
        click.echo(f"compiled {po.relative_to(HOME)}")
