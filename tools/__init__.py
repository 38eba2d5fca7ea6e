"""What develops and checks this code base; nothing here is shipped."""
