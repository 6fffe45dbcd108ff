/** What drift is measured against unless the operator names a file: everyday sentences of many kinds. */
export const REFERENCE_TEXTS: readonly string[] = [
  'The train to the coast leaves at half past seven every morning.',
  'How do I reset the password of my account?',
  'Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.',
  'The court found that the contract had been broken before it was signed.',
  'Bake the bread at 220 degrees for forty minutes, until the crust is brown.',
  'function add(a, b) { return a + b }',
  'Interest rates rose by a quarter of a percentage point in March.',
  'The patient reported mild pain in the left knee after running.',
  'Der Vertrag kann mit einer Frist von drei Monaten gekündigt werden.',
  'La biblioteca abre a las nueve y cierra a las ocho.',
  'Le musée expose des tableaux du dix-septième siècle.',
  '今天的天气很好，我们去公园散步吧。',
  '東京から京都まで新幹線で二時間ほどかかります。',
  'Кошка спит на подоконнике в лучах солнца.',
  'تقع المدينة على ضفاف النهر منذ آلاف السنين.',
  'भारत में कई भाषाएँ बोली जाती हैं।',
]
