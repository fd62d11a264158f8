"""Nursing 护理: a desk for tests alone, with a service of care (``GONGZHI_DESKS=tests.rights.nursing``)."""
