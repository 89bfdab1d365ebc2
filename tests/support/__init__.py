"""What tests share: made-up installations, the command as a process, and small files."""
