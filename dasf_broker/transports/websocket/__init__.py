"""The two websocket protocols: graphql-transport-ws and DASF."""
