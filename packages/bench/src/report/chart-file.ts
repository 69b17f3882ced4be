/** Names of files out of ids, which may hold anything: nothing but letters, digits, `.` and `-`, each once. */
export class ChartFiles {
  readonly #given = new Set<string>();

  nameFor(id: string): string {
    const plain =
      id
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '-')
        .replace(/^-+|-+$/g, '')
        .slice(0, 60) || 'chart';
    let name = plain;
    for (let at = 2; this.#given.has(name); at += 1) name = `${plain}-${at}`;
    this.#given.add(name);
    return name;
  }
}
