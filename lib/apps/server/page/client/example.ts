/** An example in four languages, one of them written from right to left. */

export const EXAMPLE = {
  query: 'Which animal carries water in the desert?',
  passages: [
    'A camel can walk for days without drinking. It does not keep water in its hump, though: the hump is fat, and the water is in the blood.',
    'Kamele tragen seit Jahrtausenden Wasser und Waren durch die Wüste.',
    '«سفينة الصحراء» اسم يُطلق على الجمل لأنه يحمل الماء والناس عبر الرمال.',
    '火车每天早上七点从北京出发，中午到达上海。',
  ],
} as const
