//! Choices that people make by a word.

/// The type, its words, and the way from one to the other.
macro_rules! named {
    (
        $(#[$about:meta])*
        $name:ident { $($(#[$of:meta])* $variant:ident $word:literal),* $(,)? }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$of])* $variant,)*
        }

        impl $name {
            pub const WORDS: &[(&str, $name)] = &[$(($word, $name::$variant)),*];

            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }
        }
    };
}
pub(crate) use named;
