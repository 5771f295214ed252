"""What a person looks at: the demonstration, its figures and its contact sheet."""
