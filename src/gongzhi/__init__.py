"""gongzhi 共治: a city takes care of its people's troubles."""
