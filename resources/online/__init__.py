"""The stream: topics are read, judged, counted, decided on and stored, and files for the lake are cut from them.

`processor.py` needs no broker: it takes messages and commits what follows from them, offsets included, in one transaction of
`store.py`. `stream.py` reads Kafka.
"""
