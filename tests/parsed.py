"""The packaged rules and model, and the page's templates, parsed where this is imported: in the process that daemons
and pages are forked from.
"""

from leadmasterd.classify.loading import load_classifier
from leadmasterd.web.render import environment

load_classifier(None, None)
for template in environment().list_templates():
    environment().get_template(template)
