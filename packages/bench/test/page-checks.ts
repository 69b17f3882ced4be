/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import type { Page } from 'playwright-core';

/** Elements that stick out of the page and lie in nothing that scrolls by itself. */
export function sticksOut(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    return [...document.querySelectorAll('body *')]
      .filter((element) => element.closest('.scroll') === null || element.classList.contains('scroll'))
      .filter((element) => {
        const { left, right, width: own } = element.getBoundingClientRect();
        return own > 0 && (left < -0.5 || right > width + 0.5);
      })
      .map((element) => element.outerHTML.slice(0, 120));
  });
}

/** Cells of tables that are squeezed to a column of words. */
export function squeezedCells(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll('td')].flatMap((cell) => {
      const text = document.createRange();
      text.selectNodeContents(cell);
      const lines = text.getBoundingClientRect().height / parseFloat(getComputedStyle(cell).lineHeight);
      return lines > 7.5 ? [`${Math.round(lines)} lines: ${cell.textContent}`] : [];
    }),
  );
}

/** Texts whose contrast with what lies behind them is below 4.5. */
export function poorContrast(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const parse = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number);
    const luminance = (color: string) => {
      const [red = 0, green = 0, blue = 0] = parse(color).map((each) => {
        const share = each / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const isSolid = (color: string) =>
      color !== 'none' && (parse(color)[3] ?? 1) > 0 && parse(color).length >= 3;
    const behind = (element: Element): string => {
      for (let at: Element | null = element; at !== null; at = at.parentElement) {
        const ground = at.tagName === 'svg' ? at.querySelector(':scope > rect.ground') : null;
        const color = ground === null ? getComputedStyle(at).backgroundColor : getComputedStyle(ground).fill;
        if (isSolid(color)) return color;
      }
      return 'rgb(255, 255, 255)';
    };
    const texts = [...document.querySelectorAll('body *, svg text')].filter(
      (element) =>
        [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim() !== '') &&
        element.getClientRects().length > 0 &&
        !['title', 'desc', 'style'].includes(element.tagName),
    );
    if (texts.length === 0) return ['no text was found'];
    return texts.flatMap((element) => {
      const style = getComputedStyle(element);
      const color = element.namespaceURI?.endsWith('svg') ? style.fill : style.color;
      const [dark = 0, bright = 0] = [luminance(color), luminance(behind(element))].sort((a, b) => a - b);
      const contrast = (bright + 0.05) / (dark + 0.05);
      return contrast >= 4.5
        ? []
        : [`${contrast.toFixed(2)}: ${color} on ${behind(element)}, ${element.textContent}`];
    });
  });
}

/** What each chart of the page draws, and what of it lies outside of its box. */
export function chartsOf(page: Page): Promise<{ name: string; marks: number; outside: string[] }[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll<SVGSVGElement>('svg.chart')].map((svg) => {
      const box = svg.getBoundingClientRect();
      // Half a pixel for rounding, and as much for the ends of strokes.
      const isInside = ({ left, right, top, bottom }: DOMRect) =>
        left >= box.left - 1 && right <= box.right + 1 && top >= box.top - 1 && bottom <= box.bottom + 1;
      const marks = [...svg.querySelectorAll('.bar, .bar-mark, .mark, .point')].filter((mark) => {
        const { width, height } = mark.getBoundingClientRect();
        return width >= 2 && height >= 2;
      });
      const drawn = [...svg.querySelectorAll('text, rect, path, line')];
      return {
        name: svg.querySelector('title')?.textContent ?? '',
        marks: marks.length,
        outside: drawn
          .filter((each) => !isInside(each.getBoundingClientRect()))
          .map((each) => `${each.outerHTML.slice(0, 100)} ${JSON.stringify(each.getBoundingClientRect())}`),
      };
    }),
  );
}
