//! The one place that writes to the process's environment.

/// Only for those whose callers are told to call them before there are other threads.
pub(crate) fn set_variable(variable: &str, value: &str) {
    // SAFETY: no other thread reads the environment meanwhile, as the callers are told.
    unsafe { std::env::set_var(variable, value) };
}

/// Sets what is unset or empty. As [`set_variable`].
pub(crate) fn set_default(variable: &str, value: &str) {
    if std::env::var_os(variable).is_none_or(|value| value.is_empty()) {
        set_variable(variable, value);
    }
}

/// As [`set_variable`].
pub(crate) fn remove_variable(variable: &str) {
    // SAFETY: as there.
    unsafe { std::env::remove_var(variable) };
}
