//! Text in a pickled 0-d NumPy object array (A§1.4, `_metadata`).

use super::{Call, Id, Pickle, Value};

/// Reads the text in a pickled 0-d object array (protocols 2 to 5).
///
/// # Errors
/// A short reason: another object, an unknown instruction, or a truncated pickle.
pub fn read_text(bytes: &[u8]) -> Result<String, String> {
    let pickle = Pickle::read(bytes)?;
    let (rank, items) = array_of(&pickle, pickle.root())?;
    match (rank, items) {
        (0, [item]) => match pickle.text(*item) {
            Some(text) => Ok(text.to_owned()),
            None => Err("the pickled array holds something other than text".into()),
        },
        (0, _) => Err(format!("the pickled array holds {} objects", items.len())),
        _ => Err(format!("the pickled array has {rank} axes")),
    }
}

/// Rank and elements of a NumPy object array, the state of which is version, shape, type, Fortran order, elements.
fn array_of(pickle: &Pickle, id: Id) -> Result<(usize, &[Id]), String> {
    let Value::Call(call) = pickle.get(id) else {
        return Err("the pickle holds something other than an array".into());
    };
    let wanted = ["numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"];
    known(pickle, call, &wanted)?;
    let state = call.state.ok_or("the pickled array is damaged")?;
    let [_, shape, dtype, _, items] = pickle.parts(state) else {
        return Err("the pickled array is damaged".into());
    };
    match (pickle.get(*shape), pickle.get(*dtype), pickle.get(*items)) {
        (Value::Tuple(axes), Value::Call(dtype), Value::List(items)) => {
            known(pickle, dtype, &["numpy.dtype"])?;
            Ok((axes.len(), items))
        }
        _ => Err("the pickled array does not hold objects".into()),
    }
}

fn known(pickle: &Pickle, call: &Call, names: &[&str]) -> Result<(), String> {
    let called = pickle.called(call);
    if names.contains(&called) {
        Ok(())
    } else {
        Err(format!("the pickle would call {called:?}, which is not permitted"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protocol 2, as written by NumPy 1.x under Python 3.
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
    fn no_truncation_and_no_changed_byte_causes_a_panic() {
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
    fn a_pickle_of_nested_values_terminates() {
        let mut deep = b"\x80\x02)".to_vec();
        deep.extend(std::iter::repeat_n(0x85, 100_000));
        assert!(read_text(&deep).is_err());
        let mut wide = b"\x80\x02)".to_vec();
        (0..400).for_each(|_| wide.extend(b"q\x00h\x00\x86"));
        assert!(read_text(&wide).is_err());
    }
}
