# Two commands: `make demo` runs a whole evening, `make test` checks everything. Both set up what they need.
PYTHON ?= python3

.PHONY: demo test pictures clean
demo:
	$(PYTHON) tools/dev.py demo
test:
	$(PYTHON) tools/dev.py test
pictures:
	$(PYTHON) tools/dev.py pictures
clean:
	rm -rf .venv demo
