//! Reads pickles without running them.
//!
//! A pickle is a program. This reader builds plain values and records the calls that the program would make, with their
//! arguments; it makes none of them. The caller decides which names it accepts, so that a malicious file can only be
//! refused. Work and memory are proportional to the length of the pickle.

mod text;

pub use text::read_text;

use std::collections::BTreeMap;

/// Most values; a checkpoint has some ten thousand. Each takes a hundred times the memory of the byte that creates it.
const MAX_VALUES: usize = 4 << 20;

/// Index of a value within its [`Pickle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(usize);

/// A value; its parts are given by index.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`, and placeholders on the stack.
    None,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A text.
    Text(String),
    /// Bytes, or an integer of more than 8 bytes; the content is not kept.
    Bytes,
    /// The name `module.name` of a class or function.
    Name(String),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A list or set.
    List(Vec<Id>),
    /// A dictionary in insertion order.
    Dict(Vec<(Id, Id)>),
    /// A call that the program would make.
    Call(Call),
    /// An object stored outside of the pickle, by its identifier.
    Outside(Id),
}

/// A call that is not made, and the operations on its result.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Function or class to be called.
    pub callable: Id,
    /// A tuple of arguments.
    pub arguments: Id,
    /// State to be set on the result.
    pub state: Option<Id>,
    /// Keys and values to be set on the result.
    pub items: Vec<(Id, Id)>,
}

/// Contents of a pickle.
#[derive(Debug)]
pub struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// Reads a pickle of protocol 2 to 5.
    ///
    /// # Errors
    /// A short reason: another protocol, an unknown instruction, or a truncated pickle.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut machine =
            Machine { input: Input { bytes }, values: Vec::new(), stack: Vec::new(), memo: BTreeMap::new() };
        loop {
            let op = machine.input.number(1)?;
            if op == usize::from(b'.') {
                let root = machine.pop()?;
                return Ok(Self { values: machine.values, root });
            }
            machine.step(op as u8)?;
            if machine.values.len() > MAX_VALUES {
                return Err(format!("the pickle holds more than {MAX_VALUES} values"));
            }
        }
    }

    /// Outermost value.
    pub fn root(&self) -> Id {
        self.root
    }

    /// Value at an index.
    pub fn get(&self, id: Id) -> &Value {
        self.values.get(id.0).unwrap_or(&Value::None)
    }

    /// Text of a value, if it is one.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Parts of a tuple or list; empty for anything else.
    pub fn parts(&self, id: Id) -> &[Id] {
        match self.get(id) {
            Value::Tuple(parts) | Value::List(parts) => parts,
            _ => &[],
        }
    }

    /// Keys and values of a dictionary, also of a `collections.OrderedDict`; `None` for anything else.
    pub fn entries(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Value::Dict(entries) => Some(entries),
            Value::Call(call) if self.called(call) == "collections.OrderedDict" => Some(&call.items),
            _ => None,
        }
    }

    /// Value of a text key of a dictionary; the last one, as in Python.
    pub fn entry(&self, id: Id, key: &str) -> Option<Id> {
        self.entries(id)?.iter().rev().find(|(k, _)| self.text(*k) == Some(key)).map(|(_, value)| *value)
    }

    /// Name of the function or class of a call; empty if it has no name.
    pub fn called(&self, call: &Call) -> &str {
        match self.get(call.callable) {
            Value::Name(name) => name,
            _ => "",
        }
    }
}

struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (head, tail) = self.bytes.split_at_checked(count).ok_or("the pickle is cut short")?;
        self.bytes = tail;
        Ok(head)
    }

    /// An unsigned little-endian number of `width` ≤ 8 bytes.
    fn number(&mut self, width: usize) -> Result<usize, String> {
        let value = self.take(width)?.iter().rev().fold(0u64, |value, &byte| (value << 8) | u64::from(byte));
        usize::try_from(value).map_err(|_| "the pickle claims an impossible length".into())
    }

    /// Bytes preceded by their count, a number of `width` bytes.
    fn counted(&mut self, width: usize) -> Result<&'a [u8], String> {
        let length = self.number(width)?;
        self.take(length)
    }

    fn text(&mut self, width: usize) -> Result<Value, String> {
        let text = std::str::from_utf8(self.counted(width)?).map_err(|_| "the pickled text is not UTF-8")?;
        Ok(Value::Text(text.to_owned()))
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let end = self.bytes.iter().position(|&b| b == b'\n').ok_or("the pickle is cut short")?;
        let line = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| "the pickle contains an unreadable name".into())
    }
}

/// A signed little-endian number; `None` if it has more than 8 bytes.
fn signed(bytes: &[u8]) -> Option<i64> {
    let mut wide = [if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 }; 8];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(wide))
}

struct Machine<'a> {
    input: Input<'a>,
    values: Vec<Value>,
    /// Values, and marks (`None`).
    stack: Vec<Option<Id>>,
    memo: BTreeMap<usize, Id>,
}

impl Machine<'_> {
    fn push(&mut self, value: Value) {
        self.values.push(value);
        self.stack.push(Some(Id(self.values.len() - 1)));
    }

    fn pop(&mut self) -> Result<Id, String> {
        self.stack.pop().flatten().ok_or_else(|| "the pickle is damaged (its stack is empty)".into())
    }

    fn last(&self) -> Result<Id, String> {
        self.stack.last().copied().flatten().ok_or_else(|| "the pickle is damaged (its stack is empty)".into())
    }

    /// The values above the topmost mark, which is removed.
    fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.stack.iter().rposition(Option::is_none).ok_or("the pickle is damaged (a mark is missing)")?;
        let items = self.stack.split_off(mark).into_iter().flatten().collect();
        Ok(items)
    }

    fn tuple_of(&mut self, count: usize) -> Result<(), String> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items));
        Ok(())
    }

    /// Appends to the list on top of the stack.
    fn append(&mut self, items: Vec<Id>) -> Result<(), String> {
        let target = self.last()?;
        match self.values.get_mut(target.0) {
            Some(Value::List(list)) => list.extend(items),
            // The contents of an object that is not created are dropped.
            Some(Value::Call(_)) => {}
            _ => return Err("the pickle is damaged (it appends to something other than a list)".into()),
        }
        Ok(())
    }

    /// Fills the dictionary on top of the stack.
    fn fill(&mut self, items: &[Id]) -> Result<(), String> {
        let target = self.last()?;
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err("the pickle is damaged (a key without a value)".into());
        };
        match self.values.get_mut(target.0) {
            Some(Value::Dict(entries) | Value::Call(Call { items: entries, .. })) => {
                entries.extend(pairs.iter().map(|[key, value]| (*key, *value)));
                Ok(())
            }
            _ => Err("the pickle is damaged (it fills something other than a dictionary)".into()),
        }
    }

    fn call(&mut self) -> Result<(), String> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        self.push(Value::Call(Call { callable, arguments, state: None, items: Vec::new() }));
        Ok(())
    }

    fn remember(&mut self, slot: usize) -> Result<(), String> {
        let id = self.last()?;
        self.memo.insert(slot, id);
        Ok(())
    }

    fn recall(&mut self, slot: usize) -> Result<(), String> {
        let id = *self.memo.get(&slot).ok_or("the pickle is damaged (it recalls a value that was never stored)")?;
        self.stack.push(Some(id));
        Ok(())
    }

    fn long(&mut self, width: usize) -> Result<(), String> {
        let bytes = self.input.counted(width)?;
        self.push(signed(bytes).map_or(Value::Bytes, Value::Int));
        Ok(())
    }

    fn text(&mut self, width: usize) -> Result<(), String> {
        let text = self.input.text(width)?;
        self.push(text);
        Ok(())
    }

    fn bytes(&mut self, width: usize) -> Result<(), String> {
        self.input.counted(width)?;
        self.push(Value::Bytes);
        Ok(())
    }

    #[allow(clippy::too_many_lines, reason = "one short arm for each opcode")]
    fn step(&mut self, op: u8) -> Result<(), String> {
        match op {
            0x80 => {
                let protocol = self.input.number(1)?;
                if !(2..=5).contains(&protocol) {
                    return Err(format!("pickle protocol {protocol} is not supported"));
                }
            }
            0x95 => {
                self.input.take(8)?;
            }
            b'(' => self.stack.push(None),
            b'0' => {
                self.stack.pop();
            }
            b'1' => {
                self.pop_to_mark()?;
            }
            b'2' => {
                let id = self.last()?;
                self.stack.push(Some(id));
            }
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' | b'M' => {
                let value = self.input.number(if op == b'K' { 1 } else { 2 })?;
                self.push(Value::Int(value as i64));
            }
            b'J' => {
                let bytes = self.input.take(4)?;
                self.push(signed(bytes).map_or(Value::None, Value::Int));
            }
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'G' => {
                let bytes: [u8; 8] = self.input.take(8)?.try_into().unwrap_or_default();
                self.push(Value::Float(f64::from_be_bytes(bytes)));
            }
            0x8c | b'U' => self.text(1)?,
            b'X' | b'T' => self.text(4)?,
            0x8d => self.text(8)?,
            b'C' => self.bytes(1)?,
            b'B' => self.bytes(4)?,
            0x8e | 0x96 => self.bytes(8)?,
            b')' => self.push(Value::Tuple(Vec::new())),
            0x85..=0x87 => self.tuple_of(usize::from(op - 0x84))?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items));
            }
            b']' | 0x8f => self.push(Value::List(Vec::new())),
            b'l' | 0x91 => {
                let items = self.pop_to_mark()?;
                self.push(Value::List(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Dict(Vec::new()));
                self.fill(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.fill(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.fill(&items)?;
            }
            0x94 => self.remember(self.memo.len())?,
            b'q' | b'r' => {
                let slot = self.input.number(if op == b'q' { 1 } else { 4 })?;
                self.remember(slot)?;
            }
            b'h' | b'j' => {
                let slot = self.input.number(if op == b'h' { 1 } else { 4 })?;
                self.recall(slot)?;
            }
            b'c' => {
                let name = format!("{}.{}", self.input.line()?, self.input.line()?);
                self.push(Value::Name(name));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let value = |id: Id| self.values.get(id.0);
                let (Some(Value::Text(module)), Some(Value::Text(name))) = (value(module), value(name)) else {
                    return Err("the pickle is damaged (a name is not text)".into());
                };
                let name = format!("{module}.{name}");
                self.push(Value::Name(name));
            }
            b'R' | 0x81 => self.call()?,
            0x92 => {
                self.pop()?;
                self.call()?;
            }
            b'b' => {
                let state = self.pop()?;
                let target = self.last()?;
                match self.values.get_mut(target.0) {
                    Some(Value::Call(call)) => call.state = Some(state),
                    _ => {
                        return Err(
                            "the pickle is damaged (it sets the state of something other than an object)".into()
                        );
                    }
                }
            }
            b'Q' => {
                let name = self.pop()?;
                self.push(Value::Outside(name));
            }
            other => return Err(format!("the pickle instruction 0x{other:02x} is not supported")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_is_read_with_its_numbers_and_its_shared_parts() {
        // {"a": 3, "b": [-2, 0.5], "c": <the same list>}, protocol 2 with memo.
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aK\x03X\x01\x00\x00\x00b]q\x01(J\xfe\xff\xff\xffG?\xe0\x00\x00\x00\x00\x00\x00eX\x01\x00\x00\x00ch\x01u.";
        let pickle = Pickle::read(bytes).unwrap();
        let entry = |key| pickle.entry(pickle.root(), key).unwrap();
        assert_eq!(pickle.get(entry("a")), &Value::Int(3));
        let list: Vec<_> = pickle.parts(entry("b")).iter().map(|id| pickle.get(*id).clone()).collect();
        assert_eq!(list, [Value::Int(-2), Value::Float(0.5)]);
        assert_eq!(entry("b"), entry("c"));
        assert_eq!(pickle.entry(pickle.root(), "d"), None);
    }

    #[test]
    fn a_call_is_recorded_and_not_made() {
        let pickle = Pickle::read(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.").unwrap();
        let Value::Call(call) = pickle.get(pickle.root()) else { panic!("no call") };
        assert_eq!(pickle.called(call), "os.system");
        assert_eq!(pickle.text(pickle.parts(call.arguments)[0]), Some("ls"));
        assert!(Pickle::read(b"\x80\x02I3\n.").unwrap_err().contains("0x49"));
        assert!(Pickle::read(b"\x80\x01N.").unwrap_err().contains("protocol 1"));
        assert!(Pickle::read(b"\x80\x02}K\x01s.").is_err());
    }
}
