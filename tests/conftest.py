"""What all tests share."""

import signal

from hypothesis import HealthCheck, settings

# A busy machine is no defect of ours; what a test draws is.
settings.register_profile("leadmasterd", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("leadmasterd")

# Whoever starts the tests from a script with `&` ignores Ctrl-C, and so would every command that is to end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
