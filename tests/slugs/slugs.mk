# SPDX-License-Identifier: Apache-2.0
# The sample slugs: sources here, archives in $(O)/slugs.  The guestbook alone needs work first:
# Debian's packages are vendored into a copy of its tree.
SLUG_DIR    := tests/slugs
SLUG_OUT    := $(O)/slugs
SLUG_PLAIN  := node-hello clock shapes
SLUG_FILES  := $(SLUG_PLAIN:%=$(SLUG_OUT)/%.tgz) $(SLUG_OUT)/guestbook.tgz
SLUG_PYTHON := python3-flask python3-flask-sqlalchemy python3-flask-migrate python3-flask-babel \
	python3-psycopg2 gunicorn
slug_tree    = $(shell find $(SLUG_DIR)/$(1) -type f -not -name '*.mo' -not -path '*/logs/*' \
	-not -path '*/__pycache__/*')

.PHONY: slugs
slugs: $(SLUG_FILES) ## the sample slugs, in build/slugs

$(SLUG_OUT)/guestbook.tree: $(call slug_tree,guestbook) $(SLUG_DIR)/vendor.py
	$(call say,VENDOR,$@)rm -rf $@.new && mkdir -p $@.new && \
		cp -a $(SLUG_DIR)/guestbook/. $@.new && \
		rm -rf $@.new/logs $@.new/app.db && find $@.new -name '*.mo' -delete && \
		$(SLUG_DIR)/vendor.py $@.new/vendor $(SLUG_PYTHON) && \
		rm -rf $@ && mv $@.new $@ && touch $@

$(SLUG_OUT)/guestbook.tgz: $(SLUG_OUT)/guestbook.tree $(O)/dyno-pack | $(O)/dyno
	$(call say,PACK,$@)$(O)/dyno slug pack $< -o $@.new >/dev/null && mv $@.new $@

$(SLUG_PLAIN:%=$(SLUG_OUT)/%.tgz): $(SLUG_OUT)/%.tgz: $$(call slug_tree,%) $(O)/dyno-pack | $(O)/dyno
	$(call say,PACK,$@)mkdir -p $(@D) && \
		$(O)/dyno slug pack $(SLUG_DIR)/$* -o $@.new >/dev/null && mv $@.new $@
