"""OpenAI's HTTP interface in front of the network: each request becomes a task that one account pays."""
