"""The stages of an evening, in this order; they never import each other.

update → signals → mapping → basket → snapshot → sizing → audit → review → submit → reconcile, and
flatten beside them. Each file: docstring, types, pure core, and where something outside is asked, a
short ``run`` that gathers through ports and computes by the core.
"""
