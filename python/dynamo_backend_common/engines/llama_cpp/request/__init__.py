"""What one request asks for, checked."""
