"""Who did what, when: recording a policy's episodes, and reading the record back."""
