"""The command line: ``gongzhi``."""
