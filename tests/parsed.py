"""The packaged rules and model, the page's templates and the holidays of the default country, parsed or loaded where
this is imported: in the process that daemons and pages are forked from.
"""

from leadmasterd.classify.loading import load_classifier
from leadmasterd.leads.public_holidays import known_country
from leadmasterd.web.render import environment

load_classifier(None, None)
known_country("AR-C")
for template in environment().list_templates():
    environment().get_template(template)
