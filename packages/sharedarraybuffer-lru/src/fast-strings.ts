/*
 * One `class … extends String`, anywhere in the process (ioredis 6 has one), and V8 takes String.prototype for
 * an object that is still being set up: it throws away all compiled code that calls a method of a string, and
 * code compiled later looks the method up at each call. A loop over charCodeAt then takes five to ten times as
 * long (Node.js 20, 22 and 24), and with it every key that is hashed or encoded here.
 *
 * An inline cache that reads through a prototype tells V8 that it is settled, for good, also if it comes after
 * such a class. That of a primitive string does not count; so this asks a String object, as often as it takes
 * for the function to have inline caches.
 */

const TIMES = 1_000;

function settle(text: object & { charCodeAt(at: number): number }): number {
  let sum = 0;
  for (let n = 0; n < TIMES; n += 1) sum += text.charCodeAt(0);
  return sum;
}

settle(Object('x'));
