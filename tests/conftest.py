"""What all tests share."""

from hypothesis import HealthCheck, settings

# A busy machine is no defect of ours; what a test draws is.
settings.register_profile("leadmasterd", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("leadmasterd")
