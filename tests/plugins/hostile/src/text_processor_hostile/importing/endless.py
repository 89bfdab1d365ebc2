"""Never ends when it is imported."""

while True:
    pass
