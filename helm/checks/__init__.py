"""Checks of the chart, the image and the alerts without Kubernetes: `make helm-test`. Each file checks one subject."""
