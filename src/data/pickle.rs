//! Reads one thing out of a pickle: a 0-d NumPy object array that holds one text (A§1.4, `_metadata`).
//!
//! A pickle is a program. This machine knows the few instructions that such an array needs, calls nothing, and
//! refuses every other instruction and every other name, so that a hostile file can do no more than be refused.

use std::rc::Rc;

/// Instructions executed at most; NumPy's own pickle of one text takes about 60.
const MAX_STEPS: usize = 1000;

#[derive(Debug, Clone)]
enum Value {
    /// None, a boolean or a number: the reader only has to step over it.
    Plain,
    Text(String),
    Bytes,
    Name(String),
    Tuple(Vec<Rc<Value>>),
    List(Vec<Rc<Value>>),
    Dtype,
    /// Rank of the array and its elements, once its state has been set.
    Array(Option<(usize, Vec<Rc<Value>>)>),
    Mark,
}

/// The text in a pickled 0-d object array (protocols 2 to 5).
///
/// # Errors
/// A short reason: another object, an unknown instruction, or a pickle cut short.
pub(super) fn read_text(bytes: &[u8]) -> Result<String, String> {
    let result = run(bytes)?;
    match &*result {
        Value::Array(Some((0, items))) => match items.as_slice() {
            [item] => match &**item {
                Value::Text(text) => Ok(text.clone()),
                _ => Err("the pickled array holds something other than text".into()),
            },
            _ => Err(format!("the pickled array holds {} objects", items.len())),
        },
        Value::Array(Some((rank, _))) => Err(format!("the pickled array has {rank} axes")),
        _ => Err("the pickle holds something other than an array".into()),
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

    fn text(&mut self, width: usize) -> Result<Rc<Value>, String> {
        let length = self.number(width)?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| "the pickled text is not UTF-8")?;
        Ok(Rc::new(Value::Text(text.to_string())))
    }

    fn skip_bytes(&mut self, width: usize) -> Result<Rc<Value>, String> {
        let length = self.number(width)?;
        self.take(length)?;
        Ok(Rc::new(Value::Bytes))
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let end = self.bytes.iter().position(|&b| b == b'\n').ok_or("the pickle is cut short")?;
        let line = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| "the pickle names something unreadable".into())
    }
}

struct Stack(Vec<Rc<Value>>);

impl Stack {
    fn push(&mut self, value: Value) {
        self.0.push(Rc::new(value));
    }

    fn pop(&mut self) -> Result<Rc<Value>, String> {
        self.0.pop().ok_or_else(|| "the pickle is damaged (its stack is empty)".into())
    }

    fn last(&self) -> Result<Rc<Value>, String> {
        self.0.last().cloned().ok_or_else(|| "the pickle is damaged (its stack is empty)".into())
    }

    /// The values above the topmost mark, which is removed.
    fn pop_to_mark(&mut self) -> Result<Vec<Rc<Value>>, String> {
        let mark = self.0.iter().rposition(|value| matches!(**value, Value::Mark)).ok_or("the pickle is damaged")?;
        let items = self.0.split_off(mark + 1);
        self.0.pop();
        Ok(items)
    }

    fn tuple_of(&mut self, count: usize) -> Result<(), String> {
        let from = self.0.len().checked_sub(count).ok_or("the pickle is damaged (its stack is empty)")?;
        let items = self.0.split_off(from);
        self.push(Value::Tuple(items));
        Ok(())
    }

    fn append(&mut self, items: Vec<Rc<Value>>) -> Result<(), String> {
        match &*self.pop()? {
            Value::List(list) => {
                self.push(Value::List(list.iter().cloned().chain(items).collect()));
                Ok(())
            }
            _ => Err("the pickle is damaged (it appends to no list)".into()),
        }
    }
}

fn run(bytes: &[u8]) -> Result<Rc<Value>, String> {
    let mut input = Input { bytes };
    let mut stack = Stack(Vec::new());
    // Slots are written in any order by a hostile file, so a list of pairs, not an indexed array.
    let mut memo: Vec<(usize, Rc<Value>)> = Vec::new();
    for _ in 0..MAX_STEPS {
        match input.take(1)?[0] {
            0x80 => {
                let protocol = input.number(1)?;
                if !(2..=5).contains(&protocol) {
                    return Err(format!("pickle protocol {protocol} is not supported"));
                }
            }
            0x95 => {
                input.take(8)?;
            }
            b'(' => stack.push(Value::Mark),
            b'N' | 0x88 | 0x89 => stack.push(Value::Plain),
            b'K' => {
                input.take(1)?;
                stack.push(Value::Plain);
            }
            b'M' => {
                input.take(2)?;
                stack.push(Value::Plain);
            }
            b'J' => {
                input.take(4)?;
                stack.push(Value::Plain);
            }
            0x8a => {
                input.skip_bytes(1)?;
                stack.push(Value::Plain);
            }
            0x8c | b'U' => stack.0.push(input.text(1)?),
            b'X' | b'T' => stack.0.push(input.text(4)?),
            0x8d => stack.0.push(input.text(8)?),
            b'C' => stack.0.push(input.skip_bytes(1)?),
            b'B' => stack.0.push(input.skip_bytes(4)?),
            0x8e | 0x96 => stack.0.push(input.skip_bytes(8)?),
            b')' => stack.push(Value::Tuple(Vec::new())),
            0x85 => stack.tuple_of(1)?,
            0x86 => stack.tuple_of(2)?,
            0x87 => stack.tuple_of(3)?,
            b't' => {
                let items = stack.pop_to_mark()?;
                stack.push(Value::Tuple(items));
            }
            b']' => stack.push(Value::List(Vec::new())),
            b'a' => {
                let item = stack.pop()?;
                stack.append(vec![item])?;
            }
            b'e' => {
                let items = stack.pop_to_mark()?;
                stack.append(items)?;
            }
            0x94 => memo.push((memo.len(), stack.last()?)),
            b'q' => memo.push((input.number(1)?, stack.last()?)),
            b'r' => memo.push((input.number(4)?, stack.last()?)),
            op @ (b'h' | b'j') => {
                let slot = input.number(if op == b'h' { 1 } else { 4 })?;
                let found = memo.iter().rev().find(|(key, _)| *key == slot).ok_or("the pickle is damaged")?;
                stack.0.push(Rc::clone(&found.1));
            }
            b'c' => {
                let name = format!("{}.{}", input.line()?, input.line()?);
                stack.push(Value::Name(name));
            }
            0x93 => {
                let (name, module) = (stack.pop()?, stack.pop()?);
                let (Value::Text(module), Value::Text(name)) = (&*module, &*name) else {
                    return Err("the pickle is damaged".into());
                };
                stack.push(Value::Name(format!("{module}.{name}")));
            }
            b'R' => {
                let (_arguments, callable) = (stack.pop()?, stack.pop()?);
                let Value::Name(name) = &*callable else { return Err("the pickle is damaged".into()) };
                stack.push(match name.as_str() {
                    "numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct" => Value::Array(None),
                    "numpy.dtype" => Value::Dtype,
                    "_codecs.encode" => Value::Bytes,
                    other => return Err(format!("the pickle wants to call {other:?}, which is not run")),
                });
            }
            b'b' => {
                let (state, object) = (stack.pop()?, stack.pop()?);
                let built = match (&*object, &*state) {
                    (Value::Dtype, _) => Value::Dtype,
                    (Value::Array(None), Value::Tuple(fields)) => array_of(fields)?,
                    _ => return Err("the pickle is damaged".into()),
                };
                stack.push(built);
            }
            b'.' => return stack.pop(),
            other => return Err(format!("the pickle instruction 0x{other:02x} is not supported")),
        }
    }
    Err("the pickle is longer than one text needs".into())
}

/// NumPy's array state: version, shape, type, Fortran order, elements.
fn array_of(fields: &[Rc<Value>]) -> Result<Value, String> {
    let [_, shape, dtype, _, items] = fields else { return Err("the pickled array is damaged".into()) };
    match (&**shape, &**dtype, &**items) {
        (Value::Tuple(axes), Value::Dtype, Value::List(items)) => Ok(Value::Array(Some((axes.len(), items.clone())))),
        _ => Err("the pickled array does not hold objects".into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    /// Protocol 2, as NumPy 1.x under Python 3 writes it.
    fn protocol_2(text: &str) -> Vec<u8> {
        let mut bytes =
            b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x00cnumpy\nndarray\nq\x01K\x00\x85q\x02".to_vec();
        bytes.extend(
            b"c_codecs\nencode\nq\x03X\x01\x00\x00\x00bq\x04X\x06\x00\x00\x00latin1q\x05\x86q\x06Rq\x07\x87q\x08Rq\x09",
        );
        bytes.extend(b"(K\x01)cnumpy\ndtype\nq\x0aX\x02\x00\x00\x00O8q\x0b\x89\x88\x87q\x0cRq\x0d");
        bytes.extend(b"(K\x03X\x01\x00\x00\x00|q\x0eNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tq\x0fb\x89]q\x10X");
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend(b"q\x11atq\x12b.");
        bytes
    }

    #[test]
    fn the_text_of_a_protocol_2_array_is_read() {
        assert_eq!(read_text(&protocol_2("{\"größe\": 1}")).unwrap(), "{\"größe\": 1}");
    }

    #[test]
    fn a_pickle_that_calls_anything_else_is_refused_by_name() {
        let error = read_text(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.").unwrap_err();
        assert!(error.contains("os.system"), "{error}");
    }

    #[test]
    fn every_truncation_and_every_changed_byte_gives_an_answer_without_panic() {
        let good = protocol_2("{}");
        for end in 0..good.len() {
            assert!(read_text(&good[..end]).is_err());
        }
        for at in 0..good.len() {
            for value in 0..=255 {
                let mut bad = good.clone();
                bad[at] = value;
                let _ = read_text(&bad);
            }
        }
    }

    #[test]
    fn a_pickle_that_only_nests_ends() {
        let mut deep = b"\x80\x02)".to_vec();
        deep.extend(std::iter::repeat_n(0x85, 100_000));
        assert!(read_text(&deep).is_err());
        let mut wide = b"\x80\x02)".to_vec();
        (0..400).for_each(|_| wide.extend(b"q\x00h\x00\x86"));
        assert!(read_text(&wide).is_err());
    }
}
