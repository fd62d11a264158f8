"""What gongzhi costs, beside the limit of the machine it ran on: ``python -m bench`` or ``make bench``."""
