import type { AuditResult } from './audit-fleet.js';

/** All figures of a run, and what was wrong. */
export function formatAudit(result: AuditResult, seed: number, boundMs: number): string {
  const { judge, rounds, acknowledged, faults, totals, complaints, kept } = result;
  const { counts, reads } = judge;
  const beyond = counts.stale;
  const late = reads.get('lateRead') ?? 0;
  const l1Hits = Math.max(0, judge.total + late - totals.l2Hits - totals.loads);
  const broken = [...faults].map(
    ([name, times]) => `${name} ${times.length} (to ${(Math.max(...times) / 1000).toFixed(1)} s)`,
  );
  const lines = [
    `rounds              ${rounds}`,
    `reads audited       ${judge.total} (${pairs(new Map([...reads].filter(([kind]) => kind !== 'lateRead')))})`,
    `  beside them       ${late} in turns that stood still: audited for wrong values, not for age`,
    `answered by         L1 ${l1Hits}, L2 ${totals.l2Hits}, PostgreSQL ${totals.loads}`,
    `nodes heard others  ${Math.round((100 * totals.trusted) / Math.max(1, totals.looks))} % of the time`,
    `writes acknowledged ${acknowledged}`,
    `writes seen by others, from the acknowledgement to the last older read`,
    `  nothing failing   ${judge.seen.trusted} (${judge.seen.trusted.count})`,
    `  no fault injected ${judge.seen.quiet} (${judge.seen.quiet.count})`,
    `  all               ${judge.seen.all} (${judge.seen.all.count})`,
    `stale reads         ${judge.staleReads}`,
    `  of strong writes  ${judge.strongAges.count}: ${judge.strongAges}; beyond the bound of ${boundMs} ms: ${beyond}`,
    `  of other writes   ${judge.eventualAges.count}: ${judge.eventualAges}`,
    `own writes not read ${counts.own}`,
    `wrong values        ${counts.wrong}`,
    `messages missed     ${counts.missed} while nothing failed`,
    `faults              ${broken.join(', ') || 'none'}`,
    `events              ${pairs(totals.events) || 'none'}`,
    `rejected calls      ${pairs(totals.rejected) || 'none'}`,
  ];
  for (const { kind, detail } of judge.findings) lines.push(`WRONG: ${kind}: ${detail}`);
  for (const complaint of complaints) lines.push(`WRONG: ${complaint}`);
  if (kept !== undefined) lines.push(`kept: ${kept}`);
  lines.push(
    '',
    `seed ${seed}  reads ${judge.total}  stale beyond the bound ${counts.stale + counts.own}  wrong values ${counts.wrong}`,
  );
  return lines.join('\n');
}

function pairs(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
}
