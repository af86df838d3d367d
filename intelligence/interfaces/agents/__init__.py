"""The door for agents: the tools that answer questions, over the Model Context Protocol."""
