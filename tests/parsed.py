"""The packaged rules and the model, parsed where this is imported: in the process that daemons are forked from."""

from leadmasterd.classify.loading import load_classifier

load_classifier(None, None)
