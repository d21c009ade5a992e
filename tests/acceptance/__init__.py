"""The whole story, and what people who trust none of us find in what it leaves behind."""
