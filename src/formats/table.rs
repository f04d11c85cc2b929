//! Tables of numbers as text: CSV, TSV, DAT, TXT.
//!
//! Columns are separated by semicolons, tabs, commas or spaces, found from the lines; numbers may have decimal commas. A
//! line of names before the numbers is understood, also behind a comment sign.

/// Longest text read, in bytes.
pub const MAX_BYTES: u64 = 1 << 28;
/// Signs that start a comment.
const COMMENTS: [char; 3] = ['#', '%', '!'];

/// A table of numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Names of the columns; empty if there are none.
    pub names: Vec<String>,
    /// Values of each row, all of the same length; missing values are NaN.
    pub rows: Vec<Vec<f64>>,
}

impl Table {
    /// Number of columns.
    pub fn width(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// Values of a column.
    pub fn column(&self, at: usize) -> Vec<f64> {
        self.rows.iter().map(|row| row.get(at).copied().unwrap_or(f64::NAN)).collect()
    }
}

/// Reads a table from UTF-8 or UTF-16 text.
///
/// # Errors
/// A sentence with the line concerned.
pub fn parse(bytes: &[u8]) -> Result<Table, String> {
    let text = decode(bytes)?;
    let lines: Vec<(usize, &str)> = text
        .lines()
        .map(str::trim)
        .enumerate()
        .map(|(at, line)| (at + 1, line))
        .filter(|(_, l)| !l.is_empty())
        .collect();
    let is_comment = |line: &str| line.starts_with(COMMENTS) || line.starts_with("//");
    let data: Vec<(usize, &str)> = lines.iter().filter(|(_, line)| !is_comment(line)).copied().collect();
    let separator = separator_of(&data);
    let fields = |line: &str| -> Vec<String> { split(line, separator) };
    let numbers =
        |line: &str| -> Option<Vec<f64>> { fields(line).iter().map(|field| number(field, separator)).collect() };
    let mut table = Table::default();
    let mut header: Option<(usize, Vec<String>)> = None;
    for &(at, line) in &data {
        match numbers(line) {
            Some(row) if table.rows.is_empty() || row.len() == table.width() => table.rows.push(row),
            Some(row) => {
                return Err(format!("Line {at} has {} columns, the lines before it {}", row.len(), table.width()));
            }
            None if table.rows.is_empty() && line.split([',', ';', ' ', '\t']).any(starts_as_name) => {
                header = Some((at, fields(line)));
            }
            None => return Err(format!("Line {at} does not consist of numbers: {:?}", shortened(line))),
        }
    }
    if table.rows.is_empty() {
        return Err("It has no line of numbers".into());
    }
    let first = data.first().map_or(usize::MAX, |(at, _)| *at);
    let before = lines.iter().filter(|(at, _)| *at < first).rev();
    let commented = before.map(|(_, line)| fields(line.trim_start_matches(COMMENTS).trim_start_matches('/').trim()));
    let width = table.width();
    table.names = header
        .map(|(_, names)| names)
        .into_iter()
        .chain(commented)
        .map(|names| if names.len() > width { with_units(names) } else { names })
        .find(|names| names.len() == width && names.iter().any(|name| number(name, separator).is_none()))
        .unwrap_or_default();
    Ok(table)
}

fn decode(bytes: &[u8]) -> Result<String, String> {
    let wide = |bytes: &[u8], word: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| word(*pair)).collect();
        String::from_utf16(&units).map_err(|_| "It is not text".to_owned())
    };
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        return wide(rest, u16::from_le_bytes);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        return wide(rest, u16::from_be_bytes);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.contains(&0) {
        return Err("It is not text".into());
    }
    // Old headers may be in Latin-1; numbers are ASCII in any case.
    Ok(String::from_utf8_lossy(bytes).replace('\r', "\n"))
}

/// Sign between the columns; a space stands for any blank.
fn separator_of(lines: &[(usize, &str)]) -> char {
    let all = |sign: char| {
        let last = lines.iter().rev().take(20);
        !lines.is_empty() && last.clone().all(|(_, line)| line.contains(sign))
    };
    if all(';') {
        ';'
    } else if all('\t') {
        '\t'
    } else if all(',') && !blanks_separate(lines) {
        ','
    } else {
        ' '
    }
}

/// True if every comma stands within a number and blanks between them: `40,5 40,0`.
fn blanks_separate(lines: &[(usize, &str)]) -> bool {
    lines.iter().rev().take(20).all(|(_, line)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.len() > 1
            && words
                .iter()
                .all(|word| word.matches(',').count() <= 1 && !word.ends_with(',') && number(word, ' ').is_some())
    })
}

fn split(line: &str, separator: char) -> Vec<String> {
    let clean = |field: &str| field.trim().trim_matches('"').trim().to_owned();
    if separator == ' ' {
        line.split_whitespace().map(clean).collect()
    } else {
        let mut fields: Vec<String> = line.split(separator).map(clean).collect();
        // A separator at the end of every line.
        if fields.last().is_some_and(String::is_empty) {
            fields.pop();
        }
        fields
    }
}

/// Names between blanks, each with the unit in brackets behind it: `x`, `[um]` becomes `x [um]`.
fn with_units(names: Vec<String>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for name in names {
        match joined.last_mut() {
            Some(last) if name.starts_with(['[', '(']) => last.push_str(&format!(" {name}")),
            _ => joined.push(name),
        }
    }
    joined
}

/// A number, with a decimal comma unless commas separate the columns. An empty field and `nan` are missing values.
fn number(field: &str, separator: char) -> Option<f64> {
    if field.is_empty() || field.eq_ignore_ascii_case("nan") || field.eq_ignore_ascii_case("na") {
        return Some(f64::NAN);
    }
    let looks_like_one =
        field.bytes().next().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b','));
    if !looks_like_one {
        return None;
    }
    let number = if separator == ',' || field.matches(',').count() != 1 {
        field.parse()
    } else {
        field.replace(',', ".").parse()
    };
    number.ok().filter(|value: &f64| value.is_finite())
}

/// True for a word that is no number, not even one with a sign left over from another way to write the table.
fn starts_as_name(word: &str) -> bool {
    word.chars().next().is_some_and(|first| !first.is_ascii_digit() && !matches!(first, '+' | '-' | '.'))
}

fn shortened(line: &str) -> String {
    line.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<f64>> {
        parse(text.as_bytes()).unwrap().rows
    }

    #[test]
    fn every_usual_way_to_write_a_table_gives_the_same_numbers() {
        let expected = vec![vec![40.5, 40.0], vec![45.5, -1e-3]];
        for text in [
            "40.5,40\n45.5,-1e-3\n",
            "40,5;40,0\n45,5;-0,001",
            "40,5 40,0\n45,5 -0,001",
            "x;y\r\n40.5;40\r\n45.5;-1e-3\r\n",
            "\u{feff}40.5\t40\n45.5\t-0.001\n",
            "# scan 12\n# x y\n40.5   40\n45.5 -0.001\n\n",
            "\"x\",\"y\"\n\"40.5\",\"40\"\n\"45.5\",\"-0.001\"\n",
            "40.5, 40,\n45.5, -1e-3,\n",
            "40.5\r40\r".replace("40.5\r40\r", "40.5 40\r45.5 -0.001\r").as_str(),
        ] {
            assert_eq!(rows(text), expected, "{text:?}");
        }
        let wide: Vec<u8> =
            std::iter::once(0xfeff).chain("40.5\t40\n45.5\t-0.001".encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(parse(&wide).unwrap().rows, expected);
    }

    #[test]
    fn names_are_taken_from_the_last_line_before_the_numbers_that_fits() {
        let names = |text: &str| parse(text.as_bytes()).unwrap().names;
        assert_eq!(names("index,x [um],y [um]\n0,1,2\n"), ["index", "x [um]", "y [um]"]);
        assert_eq!(names("# by P06\n# samx samy\n1 2\n"), ["samx", "samy"]);
        assert_eq!(names("# x [um] y (um)\n1 2\n"), ["x [um]", "y (um)"]);
        assert!(names("1 2\n3 4\n").is_empty());
    }

    #[test]
    fn a_line_that_does_not_fit_is_named() {
        assert!(parse(b"1 2\n3\n").unwrap_err().starts_with("Line 2 has 1 columns"));
        assert!(parse(b"1.5, 2\n3 4 5\n").unwrap_err().contains("Line 1"), "no number is lost as a header");
        assert!(parse(b"1 2\nthree four\n").unwrap_err().contains("Line 2"));
        assert!(parse(b"nothing here\n").unwrap_err().contains("no line of numbers"));
        assert!(parse(b"\x93NUMPY\x01\0").unwrap_err().contains("not text"));
        let missing = rows("1 nan\n2 3\n");
        assert!(missing[0][1].is_nan() && missing[1] == [2.0, 3.0]);
    }
}
