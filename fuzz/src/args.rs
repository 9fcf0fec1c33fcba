//! The command line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

/// A command with its `--name value` options, each of which must be asked for before [`Args::finish`].
#[derive(Debug)]
pub struct Args {
    /// The first word.
    pub command: String,
    options: BTreeMap<String, Option<String>>,
}

impl Args {
    /// Reads the words after the program's name. Options without a value are those named in `flags`.
    pub fn read(words: impl IntoIterator<Item = String>, flags: &[&str]) -> Result<Args, String> {
        let mut words = words.into_iter();
        let command = words.next().ok_or("a command is missing")?;
        let mut options = BTreeMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("{word:?} is not an option"))?;
            let value = match flags.contains(&name) {
                true => None,
                false => Some(words.next().ok_or_else(|| format!("--{name} needs a value"))?),
            };
            if options.insert(name.to_owned(), value).is_some() {
                return Err(format!("--{name} is given twice"));
            }
        }
        Ok(Args { command, options })
    }

    /// The value of an option, if it is given.
    pub fn option<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, String> {
        let Some(value) = self.options.remove(name).flatten() else { return Ok(None) };
        value.parse().map(Some).map_err(|_| format!("--{name} cannot be {value:?}"))
    }

    /// The value of an option, or what stands for it.
    pub fn option_or<T: FromStr>(&mut self, name: &str, default: T) -> Result<T, String> {
        Ok(self.option(name)?.unwrap_or(default))
    }

    /// The path of an option that must be given.
    pub fn path(&mut self, name: &str) -> Result<PathBuf, String> {
        self.option(name)?.ok_or_else(|| format!("--{name} is missing"))
    }

    /// Whether a flag is given.
    pub fn flag(&mut self, name: &str) -> bool {
        self.options.remove(name).is_some()
    }

    /// Refuses what nobody asked for.
    pub fn finish(self) -> Result<(), String> {
        match self.options.keys().next() {
            Some(name) => Err(format!("{} has no option --{name}", self.command)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Args, String> {
        Args::read(line.split_whitespace().map(str::to_owned), &["in-process"])
    }

    #[test]
    fn options_are_values_or_flags() {
        let mut args = read("model --seed 7 --in-process").expect("a right line");
        assert_eq!((args.option_or("seed", 0), args.flag("in-process")), (Ok(7), true));
        assert_eq!(args.command, "model");
        assert_eq!(args.option::<u64>("ops"), Ok(None));
        assert_eq!(args.finish(), Ok(()));
    }

    #[test]
    fn wrong_lines_say_what_is_wrong() {
        assert_eq!(read("").map(|_| ()), Err("a command is missing".to_owned()));
        assert_eq!(read("model seed").map(|_| ()), Err("\"seed\" is not an option".to_owned()));
        assert_eq!(read("model --seed").map(|_| ()), Err("--seed needs a value".to_owned()));
        assert_eq!(read("model --seed 1 --seed 2").map(|_| ()), Err("--seed is given twice".to_owned()));
        let mut args = read("model --seed x --more 1").expect("a right form");
        assert_eq!(args.option::<u64>("seed"), Err("--seed cannot be \"x\"".to_owned()));
        assert_eq!(args.finish(), Err("model has no option --more".to_owned()));
    }
}
