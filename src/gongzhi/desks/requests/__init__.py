"""Requests 诉求: what people bring to the city, by portal, hotline or grid worker, and how it is answered.

An operator sends it to the agency that owes the answer; the agency accepts it or says why not; it answers; the person
who asked says whether that was an answer.
"""
