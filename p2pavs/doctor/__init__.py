"""What ``p2pavs doctor`` looks at. Each module says what mends what it finds; none changes anything."""
