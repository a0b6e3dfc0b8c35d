/**
 * A function that is made when it is first called. A parser takes up to a few milliseconds to compile, and a program needs
 * few of them: none is compiled by an import.
 *
 * @internal
 */
export const onFirstUse = <A, B>(make: () => (input: A) => B): ((input: A) => B) => {
  let made: ((input: A) => B) | undefined
  return (input) => (made ??= make())(input)
}
