"""What holds on the stream: windows that are updated event by event, and the answer for each entity.

Pure functions and values in memory: no broker, no database, no clock. The stream, a replay of history and the API call the same
functions. `resources/online` reads topics and stores the state.
"""
