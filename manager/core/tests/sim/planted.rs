//! The bugs that `deploy/planted-bugs` plants must still find their place in the source.
