//! Two runs, compared.
