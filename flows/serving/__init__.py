"""`athanor serve`: a deployment per campaign, watched folders, and what people do in the UI."""
