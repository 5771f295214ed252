"""An independent slow reader of both releases, and mutated releases to compare it with ours."""
