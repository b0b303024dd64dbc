//! Typed settings of Prospect: raw as written, validated once
