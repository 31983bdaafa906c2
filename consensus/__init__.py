"""The consensus core: a pure function of its inputs. No clock, no socket, no file, no randomness."""
