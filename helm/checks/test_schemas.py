"""The rendered objects match the schemas of Kubernetes."""

import functools
import unittest

import kubernetes_validate
from kubernetes_validate import utils

from . import chart

# Kinds of custom resources, which Kubernetes has no schemas of.
OF_OTHERS = {"Certificate", "ScaledObject", "ServiceMonitor", "PrometheusRule"}

# The schemas are files of megabytes that are read for every object, so they are cached.
utils.schema_contents = functools.cache(utils.schema_contents)


class Schemas(unittest.TestCase):
    def test_every_object_fits_its_schema(self):
        for kubernetes in chart.KUBERNETES:
            seen = []
            for name, values in chart.value_sets().items():
                for each in chart.rendered(values, kubernetes=kubernetes):
                    if each["kind"] in OF_OTHERS or each in seen:
                        continue
                    seen.append(each)
                    with self.subTest(kubernetes=kubernetes, values=name, object=chart.name_of(each)):
                        kubernetes_validate.validate(each, kubernetes, strict=True)

    def test_a_wrong_object_does_not_fit(self):
        wrong = chart.found(chart.rendered(), "Deployment", "inrush-front") | {"sepc": {}}
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, "1.31", strict=True)
