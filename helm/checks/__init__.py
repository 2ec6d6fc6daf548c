"""What proves the chart, the image and the alerts without a Kubernetes: `make helm-test`. Each file is one question."""
