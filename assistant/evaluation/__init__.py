"""One file per question asked of the system; each prints a baseline beside ours."""
