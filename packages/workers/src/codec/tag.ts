/**
 * The first byte of an encoded value. The numbers are part of the record format: they never change
 * their meaning.
 *
 * Objects travel as the JSON text that `pg` would send for them, so that one that cannot be written
 * (a cycle, a bigint inside) is refused before anything is.
 */
export const Tag = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  /** i32 */
  int: 4,
  /** f64 */
  double: 5,
  /** u32 length, decimal digits */
  bigint: 6,
  /** u8 length, ASCII */
  ascii: 7,
  /** u32 length, UTF-8 */
  utf8: 8,
  /** u32 length, UTF-16 little-endian: only for strings with lone surrogates, which UTF-8 cannot hold */
  utf16: 9,
  /** f64 milliseconds since 1970 */
  date: 10,
  /** u32 length, bytes */
  bytes: 11,
  /** u32 length, JSON text in UTF-8 */
  json: 12,
  /** u32 count, values */
  array: 13,
} as const;
